// The desk works without this script. With it, answers happen in place, and the list can be worked from the keyboard.
"use strict";

const live = document.getElementById("live");
const say = (words) => { live.textContent = ""; requestAnimationFrame(() => { live.textContent = words; }); };
const rows = () => [...document.querySelectorAll("article.row")];
const row = () => document.activeElement?.closest("article.row");

async function send(form, button) {
  const place = form.closest("article.row");
  const data = new URLSearchParams(new FormData(form, button));
  const buttons = place.querySelectorAll("button");
  for (const each of buttons) each.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: data, headers: { "X-Desk": "1" }, credentials: "same-origin" });
    const text = await answer.text();
    if (!answer.ok) return problem(place, text.trim(), answer.status);
    const part = new DOMParser().parseFromString(text, "text/html");
    const fresh = part.querySelector("article.row");
    fresh.querySelector(".chance")?.replaceWith(place.querySelector(".chance"));  // drawn on the scale of its page
    place.replaceWith(fresh);
    recount(place, fresh, part);
    fresh.focus();
    say(fresh.querySelector(".state")?.textContent.trim() ?? "Back on the list.");
  } catch {
    problem(place, "The desk does not answer. Nothing was recorded; try again in a moment.", 0);
  }
}

// Counts above the list and beside its filters follow: those of whole lists as the desk says, those of this one by the lead that came or left.
function recount(before, after, part) {
  for (const each of part.querySelectorAll("[data-count]")) {
    const tab = document.querySelector(`.tabs a[data-list="${each.dataset.count}"] small`);
    if (tab) tab.textContent = each.textContent;
  }
  const list = document.querySelector(".tabs a[aria-current]")?.dataset.list;
  const change = [after, before].map((row) => Number((row.dataset.lists ?? "").split(" ").includes(list)));
  const more = change[0] - change[1];
  if (!more) return;
  const count = add(document.getElementById("count"), more);
  document.getElementById("count").textContent = `${count} lead${count === "1" ? "" : "s"}`;
  for (const name of ["grade", "channel", "country", "owner"])
    add(document.querySelector(`[data-of="${CSS.escape(`${name}=${after.dataset[name]}`)}"]`), more);
}
function add(place, more) {
  let count = "";
  if (place) place.textContent = place.textContent.replace(/[\d,]+(?=\D*$)/, (said) => (count = (Number(said.replaceAll(",", "")) + more).toLocaleString("en")));
  return count;
}

// What was refused is said where it happened; the lead as it is now is one click away.
function problem(place, words, status) {
  for (const each of place.querySelectorAll("button")) each.disabled = status !== 0;
  let line = place.querySelector(".problem");
  if (!line) {
    line = document.createElement("p");
    line.className = "problem";
    place.querySelector(".do").append(line);
  }
  line.textContent = words + " ";
  if (status !== 0) {
    const again = document.createElement("a");
    again.href = location.href;
    again.textContent = "Load again";
    line.append(again);
  }
  place.focus();
  say(words);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-in-place]") || !form.closest("article.row")) return;
  event.preventDefault();
  send(form, event.submitter);
});

// One menu at a time; it closes on Escape and on a click elsewhere.
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.(".menu") && event.target.open)
    for (const each of document.querySelectorAll(".menu[open]")) if (each !== event.target) each.open = false;
}, true);
document.addEventListener("click", (event) => {
  for (const each of document.querySelectorAll(".menu[open]")) if (!each.contains(event.target)) each.open = false;
});

// What is being worked on is looked at again, in place, until it is done.
async function again() {
  const place = document.getElementById("result");
  if (!place?.querySelector("[data-waiting]")) return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("result");
    if (!fresh) return location.reload();
    place.replaceWith(fresh);
    if (!fresh.querySelector("[data-waiting]")) return say(fresh.querySelector("h2, p")?.textContent.trim() ?? "Done.");
  } catch { /* the desk does not answer; perhaps it does next time */ }
  setTimeout(again, 1500);
}
setTimeout(again, 1500);

// A filter takes effect when it is chosen.
document.getElementById("filters")?.addEventListener("change", (event) => {
  if (event.target.matches("select, input[type=checkbox]")) event.currentTarget.requestSubmit();
});

const open = (name) => {
  const menu = row()?.querySelector(`.menu.${name}`);
  if (!menu) return;
  menu.open = true;
  menu.querySelector("form button").focus();
};
const press = (selector) => row()?.querySelector(selector)?.click();
const move = (step) => {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(row());
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
};
const KEYS = {
  j: () => move(1), k: () => move(-1), t: () => press("button.take"), r: () => open("reject"), s: () => open("snooze"), u: () => press("button.undo"),
  o: () => press("h2 a"), "/": () => document.querySelector("input[type=search]")?.focus(),
};
document.getElementById("keys")?.removeAttribute("hidden");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector(".menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
