// What every page does: times by the reader's clock, copying, showing a Secret Key for a while.
import { post } from "./server.js";
import { say } from "./texts.js";

const SHOWN_MILLISECONDS = 60_000;

for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = time.textContent;
  time.textContent = moment(new Date(time.dateTime));
}

export function moment(date) {
  const form = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(document.documentElement.lang, form).format(date);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy), button));
}

async function copy(source, button) {
  const text = source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https browsers give no clipboard: the text is chosen, for the reader to copy.
    getSelection().selectAllChildren(source);
    return;
  }
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
}

for (const button of document.querySelectorAll("[data-secret]")) {
  const place = document.getElementById("secret-key");
  const hidden = place.textContent;
  const copier = document.querySelector('[data-copy="secret-key"]');
  button.addEventListener("click", async () => {
    try {
      place.textContent = (await post(button.dataset.secret, {})).secret;
    } catch (problem) {
      place.textContent = problem.message;
      return;
    }
    button.hidden = true;
    copier.hidden = false;
    setTimeout(() => {
      place.textContent = hidden;
      button.hidden = false;
      copier.hidden = true;
    }, SHOWN_MILLISECONDS);
  });
}

// A form that was sent once is not sent again by a second click.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => {
    setTimeout(() => {
      for (const button of form.querySelectorAll("button")) button.disabled = true;
    });
  });
}
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // what was sent from here may have changed it
});

// A click before a page's modules have run would do nothing: buttons that need them wait.
addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-script]")) button.disabled = false;
});

document.documentElement.dataset.ready = say ? "yes" : "";
