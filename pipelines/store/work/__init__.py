"""What people at the desk add to the leads they work."""
