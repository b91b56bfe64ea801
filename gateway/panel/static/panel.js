// Keeps the page up to date, and adds keys. Without it every page works by itself.
"use strict";

const root = document.documentElement;
const page = document.getElementById("page");
const lost = document.getElementById("lost");
const said = document.getElementById("said");
const SILENT_MS = 5000;
let heard = Date.now();
let heardAt = new Date();
let stream = null;

// Change the nodes of `old` into those of `fresh`, keeping what is the same: the focus, an open
// menu and what was typed survive an update.
function morph(old, fresh) {
  const byId = new Map();
  for (const child of old.children) if (child.id) byId.set(child.id, child);
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    let same = null;
    if (next.id && byId.has(next.id) && byId.get(next.id).nodeName === next.nodeName) {
      same = byId.get(next.id);
    } else if (at && !at.id && !next.id && at.nodeName === next.nodeName) {
      same = at;
    }
    if (same === null) {
      old.insertBefore(next, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    if (same.nodeType === Node.TEXT_NODE) {
      if (same.data !== next.data) same.data = next.data;
    } else if (!same.isEqualNode(next)) {
      attributes(same, next);
      morph(same, next);
    }
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

function attributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    const kept = name === "open" && old.nodeName === "DETAILS";
    if (!kept && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function show(html) {
  const focused = document.activeElement;
  const card = focused && focused.closest ? focused.closest("[data-alarm]") : null;
  const template = document.createElement("template");
  template.innerHTML = html;
  morph(page, template.content);
  // What had the focus may be gone, as the button of an alarm that is acknowledged now.
  if (focused && focused !== document.body && !focused.isConnected) {
    const target = (card && document.getElementById(card.id)) || document.getElementById("main");
    target.setAttribute("tabindex", "-1");
    target.focus({ preventScroll: true });
  }
}

function listen() {
  stream = new EventSource(root.dataset.events);
  stream.addEventListener("page", (event) => {
    alive();
    show(JSON.parse(event.data));
  });
  stream.addEventListener("beat", (event) => {
    alive();
    const clock = document.getElementById("clock");
    if (clock) clock.textContent = event.data;
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(again, 2000);
  });
}

// The browser gives a stream up that was refused: the session may be over, or the panel busy.
function again() {
  fetch(location.href, { cache: "no-store" })
    .then((answer) => (answer.ok ? location.reload() : setTimeout(again, 3000)))
    .catch(() => setTimeout(again, 3000));
}

function alive() {
  heard = Date.now();
  heardAt = new Date();
  if (root.classList.contains("lost")) {
    root.classList.remove("lost");
    lost.textContent = "";
  }
}

function look() {
  if (document.hidden) return;
  const silent = Date.now() - heard;
  if (silent < SILENT_MS) return;
  root.classList.add("lost");
  const seconds = Math.round(silent / 1000);
  const span = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
  const text = `No data since ${heardAt.toTimeString().slice(0, 8)} (${span}): the panel does not answer.`;
  if (lost.textContent !== text) lost.textContent = text;
}

function tell(text, failed) {
  said.textContent = text;
  said.className = failed ? "failed" : "";
  clearTimeout(tell.timer);
  if (!failed) tell.timer = setTimeout(() => { said.textContent = ""; }, 8000);
}

// An act without loading the page again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || !new URL(form.action).pathname.startsWith("/line/")) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const menu = form.closest("details.menu");
  fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } })
    .then(async (answer) => {
      const kind = answer.headers.get("Content-Type") || "";
      if (!kind.includes("json")) throw new Error(`the panel refused this (${answer.status}): load the page again`);
      return answer.json();
    })
    .then((facts) => {
      if (facts.go) location.assign(facts.go);
      if (menu && !facts.failed) close(menu, form);
      tell(facts.said, facts.failed);
    })
    .catch((error) => tell(`Not done: ${error.message}.`, true));
});

function close(menu, form) {
  if (form) form.reset();
  menu.open = false;
  menu.querySelector("summary").focus();
}

// One menu at a time.
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.matches || !menu.matches("details.menu") || !menu.open) return;
  for (const other of document.querySelectorAll("details.menu[open]")) if (other !== menu) other.open = false;
}, true);

function step(by) {
  const cards = [...document.querySelectorAll("[data-alarm]")].filter((card) => card.checkVisibility());
  if (!cards.length) return;
  const now = cards.indexOf(document.activeElement.closest("[data-alarm]"));
  const next = now < 0 ? (by > 0 ? 0 : cards.length - 1) : Math.min(Math.max(now + by, 0), cards.length - 1);
  cards[next].focus();
}

function menu(card, name) {
  const found = card && card.querySelector(`details[data-menu=${name}]`);
  if (!found) return;
  found.open = true;
  found.querySelector("input:not([type=hidden])").focus();
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "Escape") {
    const open = document.querySelector("details.menu[open]");
    if (open) close(open);
    return;
  }
  if (root.dataset.keys !== "on" || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (target.matches("input, select, textarea")) return;
  const card = target.closest("[data-alarm]");
  const acts = {
    j: () => step(1),
    k: () => step(-1),
    a: () => card && card.querySelector("[data-act=acknowledge]")?.click(),
    s: () => menu(card, "shelve"),
    v: () => menu(card, "verdict"),
    w: () => card && card.querySelector("[data-more]")?.click(),
  };
  if (Object.hasOwn(acts, event.key)) {
    event.preventDefault();
    acts[event.key]();
  }
});

// A browser has few connections to one host: hidden tabs leave them to those that are seen.
document.addEventListener("visibilitychange", () => {
  stream.close();
  if (document.hidden) return;
  heard = Date.now();
  listen();
});

listen();
setInterval(look, 1000);
