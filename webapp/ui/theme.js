"use strict";
// A choice made earlier wins over the system's preference.
try {
  const stored = localStorage.getItem("theme");
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
} catch {
  // storage is forbidden: the system's preference stays
}
