"""What a run has come to, on Prefect's pages, in the words of the terminal."""

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext


def publish(result: str, words: str) -> None:
    """Keep a result's Markdown with the flow run; nothing where no run is kept.

    Parameters
    ----------
    result : str
        The artifact's key, such as ``train``.
    words : str
        Its Markdown.
    """
    if FlowRunContext.get() is not None:
        create_markdown_artifact(key=result, markdown=words)
