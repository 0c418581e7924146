// Runs before the first paint: a choice made earlier wins over the system's preference.
"use strict";
(() => {
  const root = document.documentElement;
  try {
    const stored = localStorage.getItem("theme");
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  } catch {
    // storage is forbidden: the system's preference stays
  }
})();
