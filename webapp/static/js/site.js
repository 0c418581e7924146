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
}
// After the first paint: making a format takes longer than drawing a page.
requestAnimationFrame(() => setTimeout(() => localiseTimes(document)));
document.addEventListener("htmx:afterSettle", (event) => localiseTimes(event.target));

// What a reader opened, closed or scrolled stays so when htmx replaces the part around it.
let kept = [];
document.addEventListener("htmx:beforeSwap", () => {
  kept = [...document.querySelectorAll("details[id], .scroll[id]")].map(({ id, open, scrollTop, scrollLeft }) => ({ id, open, scrollTop, scrollLeft }));
});
document.addEventListener("htmx:afterSwap", () => {
  for (const { id, ...state } of kept) {
    const element = document.getElementById(id);
    if (element) Object.assign(element, state);
  }
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
