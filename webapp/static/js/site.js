// Small comforts of every page: theme toggle, local times, copy buttons.
"use strict";

const darkPreferred = matchMedia("(prefers-color-scheme: dark)");

function currentTheme() {
  return document.documentElement.dataset.theme || (darkPreferred.matches ? "dark" : "light");
}

function labelToggle(button) {
  const other = currentTheme() === "dark" ? "light" : "dark";
  button.setAttribute("aria-label", `Switch to ${other} colours`);
  button.title = `Switch to ${other} colours`;
}

for (const button of document.querySelectorAll("[data-theme-toggle]")) {
  button.hidden = false;
  labelToggle(button);
  button.addEventListener("click", () => {
    const next = currentTheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // the choice lasts for this page only
    }
    labelToggle(button);
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}
darkPreferred.addEventListener("change", () => document.dispatchEvent(new CustomEvent("themechange")));

let exact;

function localiseTimes(root) {
  exact ??= new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    if ("clock" in element.dataset) element.textContent = exact.format(moment);
    else element.title = exact.format(moment);
  }
  for (const told of root.querySelectorAll("svg.drift title")) {
    told.textContent = told.textContent.replace(/^(\S+) (\S+) UTC/, (_, day, time) => exact.format(new Date(`${day}T${time}Z`)));
  }
}
// What may wait for the page to be seen: a frame that is only drawn is not on the screen yet.
function afterFirstPaint(run) {
  if (!PerformanceObserver.supportedEntryTypes.includes("paint")) {
    requestAnimationFrame(() => setTimeout(run));
    return;
  }
  new PerformanceObserver((list, observer) => {
    if (!list.getEntriesByName("first-contentful-paint").length) return;
    observer.disconnect();
    run();
  }).observe({ type: "paint", buffered: true });
}

// Runs a library that the page names by a link with data-library; the promise ends when it has run.
function library(name) {
  const { href, integrity } = document.querySelector(`link[data-library="${name}"]`);
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: href, integrity, crossOrigin: "anonymous" });
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`${href} cannot be loaded`)));
    document.head.append(script);
  });
}

// Making a date's format takes longer than drawing a page.
afterFirstPaint(() => localiseTimes(document));
document.addEventListener("htmx:afterSettle", (event) => localiseTimes(event.target));

// What was done is told first: to eyes above the page, to the keyboard and screen readers by focus.
document.querySelector(".messages")?.focus();

// What a reader opened, closed or scrolled stays so when htmx replaces the part around it. So does
// the focus: htmx keeps it on elements with an id, here the others follow, by place and text.
let kept = [];
let place = null;

function placeOf(active, part) {
  if (!part || !part.contains(active)) return null;
  const around = active.closest("[id]");
  const nth = [...around.querySelectorAll(active.tagName)].indexOf(active);
  return { part: part.id, around: around.id, tag: active.tagName, text: active.textContent, nth };
}

function standsAt({ part, around, tag, text, nth }) {
  const alike = [...(document.getElementById(around)?.querySelectorAll(tag) ?? [])];
  return alike.find((one) => one.textContent === text) ?? alike[nth] ?? document.getElementById(part);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  place = placeOf(document.activeElement, event.detail.target);
  kept = [...document.querySelectorAll("details[id], .scroll[id]")].map(({ id, open, scrollTop, scrollLeft }) => ({ id, open, scrollTop, scrollLeft }));
});
document.addEventListener("htmx:afterSwap", () => {
  for (const { id, ...state } of kept) {
    const element = document.getElementById(id);
    if (element) Object.assign(element, state);
  }
  if (place && document.activeElement === document.body) standsAt(place)?.focus({ preventScroll: true });
});

// A live part that cannot be had says so, and takes it back when it is there again.
let lost = null;
for (const name of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(name, (event) => {
    if (lost || !event.detail.elt.matches("[hx-trigger*=every]")) return;
    lost = document.createElement("p");
    lost.className = "notice warning";
    lost.setAttribute("role", "status");
    lost.textContent = "The site cannot be reached. What stands here may be old; the page goes on by itself.";
    document.getElementById("content").firstElementChild.prepend(lost);
  });
}
document.addEventListener("htmx:afterSwap", () => {
  lost?.remove();
  lost = null;
});

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent.trim());
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}
