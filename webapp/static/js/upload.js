// Drag and drop with a real progress bar. Without this script the same form posts as usual.
"use strict";

function bytes(n) {
  return n < 1048576 ? `${Math.max(1, Math.round(n / 1024))} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  const zone = form.querySelector(".drop");
  const input = form.querySelector("input[type=file]");
  const status = form.querySelector(".upload-status");
  const bar = status.querySelector("progress");
  const text = status.querySelector("p");
  const submit = form.querySelector("button[type=submit]");
  const title = form.querySelector("input[name=name]");
  const limit = Number(form.dataset.maxBytes);
  let request = null;

  const say = (message, isError) => {
    status.hidden = false;
    text.textContent = message;
    text.classList.toggle("bad", Boolean(isError));
    bar.hidden = Boolean(isError);
  };

  const chosen = () => {
    const file = input.files[0];
    if (!file) return;
    if (limit && file.size > limit) {
      say(`${file.name} has ${bytes(file.size)}; at most ${bytes(limit)} are accepted.`, true);
      input.value = "";
      return;
    }
    bar.value = 0;
    say(`${file.name}, ${bytes(file.size)}`, false);
    if (title && !title.value) title.value = file.name.replace(/\.[^.]+$/, "");
  };

  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.remove("over"); });
  }
  zone.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    chosen();
  });
  input.addEventListener("change", chosen);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // it would send the form without a file
    input.click();
  });

  form.addEventListener("submit", (event) => {
    if (!input.files.length || request) return;
    event.preventDefault();
    request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (progress) => {
      if (!progress.lengthComputable) return;
      bar.value = progress.loaded / progress.total;
      say(progress.loaded < progress.total
        ? `${bytes(progress.loaded)} of ${bytes(progress.total)} sent`
        : "Sent. Waiting for the server to store it.", false);
    });
    request.addEventListener("load", () => {
      // The server answers as it does without script: a redirect to the new page, or the form again.
      const arrived = new URL(request.responseURL);
      if (request.status < 400 && arrived.pathname !== location.pathname) {
        location.assign(arrived.href);
        return;
      }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const errors = [...page.querySelectorAll(".errorlist li")].map((item) => item.textContent);
      say(errors.join(" ") || page.querySelector(".empty p")?.textContent || `The server answered ${request.status}.`, true);
      submit.disabled = false;
      request = null;
    });
    request.addEventListener("error", () => {
      say("The connection broke; nothing was stored. Try again.", true);
      submit.disabled = false;
      request = null;
    });
    request.open("POST", form.action);
    request.send(new FormData(form));
    submit.disabled = true;
    say("Sending\u2026", false);
  });
}
