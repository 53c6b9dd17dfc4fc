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
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("article.row");
    place.replaceWith(fresh);
    fresh.focus();
    say(fresh.querySelector(".state")?.textContent.trim() ?? "Back on the list.");
  } catch {
    problem(place, "The desk does not answer. Nothing was recorded; try again in a moment.", 0);
  }
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
  o: () => press("h2 a"), "/": () => document.querySelector("input[type=search]")?.focus(), "?": () => document.getElementById("keys")?.showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector(".menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
