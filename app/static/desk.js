// The desk works without this script. With it, answers happen in place, and the list can be worked from the keyboard.
"use strict";

const live = document.getElementById("live");
const say = (words) => { live.textContent = ""; requestAnimationFrame(() => { live.textContent = words; }); };
const rows = () => [...document.querySelectorAll("article.row")];
const row = () => document.activeElement?.closest("article.row") ?? document.querySelector(".lead-head");

// An answer given in place: its row keeps the focus, and what it is now is said.
let answered = null;
document.addEventListener("htmx:beforeRequest", (event) => {
  const place = event.target.closest("article.row");
  answered = place?.id ?? null;
  for (const each of place?.querySelectorAll("button") ?? []) each.disabled = true;
});
document.addEventListener("htmx:afterSettle", () => {
  const fresh = answered && document.getElementById(answered);
  if (!fresh) return;
  answered = null;
  fresh.focus();
  say(fresh.querySelector(".state")?.textContent.trim() ?? "Back on the list.");
});
document.addEventListener("htmx:responseError", (event) => problem(event.target.closest("article.row"), event.detail.xhr.responseText.trim(), event.detail.xhr.status));
document.addEventListener("htmx:sendError", (event) => problem(event.target.closest("article.row"), "The desk does not answer. Nothing was recorded; try again in a moment.", 0));

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

// Several leads at once: how many are selected, and all of a page.
const ticks = () => [...document.querySelectorAll("input[form=several]")];
const all = document.getElementById("all");
if (all) all.parentElement.hidden = false;
function counted() {
  const many = ticks().filter((each) => each.checked).length;
  const place = document.getElementById("many");
  if (place) place.textContent = `: ${many}`;
  if (all) { all.checked = many > 0 && many === ticks().length; all.indeterminate = many > 0 && !all.checked; }
}
const tick = (which, on) => { for (const each of which) each.checked = on; counted(); };
document.addEventListener("change", (event) => {
  if (event.target === all) tick(ticks(), all.checked);
  else if (event.target.matches("input[form=several]")) counted();
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
document.addEventListener("change", (event) => {
  if (event.target.matches("#filters select, #filters input[type=checkbox]")) event.target.form.requestSubmit();
});

const open = (name) => {
  const menu = row()?.querySelector(`.menu.${name}`);
  if (!menu) return;
  menu.open = true;
  menu.querySelector("form button").focus();
};
const press = (selector) => row()?.querySelector(selector)?.click();
const follow = (how, place) => document.querySelector(`${place} a[rel=${how}]`)?.click();
const move = (step) => {
  const each = rows();
  if (!each.length) return follow(step > 0 ? "next" : "prev", ".crumb");
  const next = each[Math.min(Math.max(each.indexOf(row()) + step, 0), each.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
};
const flip = (name) => { const place = document.getElementById(name); if (place) { place.open = !place.open; place.querySelector("summary").focus(); } };
const KEYS = {
  j: () => move(1), k: () => move(-1), t: () => press("button.take"), r: () => open("reject"), s: () => open("snooze"), u: () => press("button.undo"),
  o: () => press("h2 a"), x: () => press("input[form=several]"), a: () => tick(ticks(), !ticks().every((each) => each.checked)),
  b: () => document.querySelector("#several button")?.focus(), n: () => follow("next", ".pager"), p: () => follow("prev", ".pager"),
  m: () => document.getElementById("note")?.focus(), "/": () => document.querySelector("input[type=search]")?.focus(), "?": () => flip("keys"),
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector(".menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
