// Trying a call: the form is sent to the interface itself; the programs follow the form.
import { id } from "./dom.js";
import { post } from "./server.js";
import { say } from "./texts.js";

const LONGEST_SHOWN = 120;
const PAUSE_MILLISECONDS = 300;
const TOKEN_CODES = new Set([110, 111]);
const PLACEHOLDER = "YOUR_SECRET_KEY";

const form = id("call");
const meanings = JSON.parse(id("meanings").textContent);
let token = null;
let secret = PLACEHOLDER;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = id("send");
  if (!button || button.disabled) return;
  button.disabled = true;
  id("took").textContent = say("try.sending");
  id("meaning").hidden = true;
  try {
    await send(await fields());
  } catch (problem) {
    id("took").textContent = "";
    tell(problem.message);
  } finally {
    button.disabled = false;
  }
});

// What the form holds, as clients send it; an empty field is not sent.
async function fields() {
  const found = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value instanceof File ? value.size : value) {
      found.set(name, value instanceof File ? await base64(value) : value);
    }
  }
  return found;
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.replace(/^[^,]*,/, "")));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

async function send(body, again = true) {
  token ??= (await post(form.dataset.token, {})).token;
  const path = `${form.dataset.path}?access_token=${encodeURIComponent(token)}`;
  id("request").textContent = written(path, body);
  const begun = performance.now();
  let response, text;
  try {
    response = await fetch(path, { method: "POST", body, credentials: "omit", cache: "no-store" });
    text = await response.text();
  } catch {
    throw new Error(say("common.offline"));
  }
  const milliseconds = Math.round(performance.now() - begun);
  const bytes = new TextEncoder().encode(text).length;
  const answer = read(text);
  if (again && TOKEN_CODES.has(answer?.error_code)) {
    token = null; // its hour is over
    return send(body, false);
  }
  id("took").textContent = say("try.took", { milliseconds, status: response.status, bytes });
  id("answer").textContent = answer ? JSON.stringify(answer, null, 2) : text;
  if (answer && "error_code" in answer) tell(meanings[answer.error_code] ?? answer.error_msg);
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function tell(text) {
  id("meaning").textContent = text;
  id("meaning").hidden = false;
}

function written(path, body) {
  const parts = [...body].map((pair) => shortened(new URLSearchParams([pair]).toString()));
  return [
    `POST ${path} HTTP/1.1`,
    `Host: ${location.host}`,
    "Content-Type: application/x-www-form-urlencoded;charset=UTF-8",
    `Content-Length: ${body.toString().length}`,
    "",
    parts.join("&"),
  ].join("\n");
}

function shortened(text) {
  const more = text.length - LONGEST_SHOWN;
  if (more <= 0) return text;
  return text.slice(0, LONGEST_SHOWN) + say("try.shortened", { n: more.toLocaleString("en-US") });
}

// The programs

function show(language) {
  for (const tab of document.querySelectorAll("[data-language]")) {
    tab.setAttribute("aria-pressed", String(tab.dataset.language === language));
  }
  for (const program of document.querySelectorAll("[data-program]")) {
    program.hidden = program.dataset.program !== language;
  }
  sessionStorage.setItem("tusou.language", language);
}

for (const tab of document.querySelectorAll("[data-language]")) {
  tab.addEventListener("click", () => show(tab.dataset.language));
}
const last = sessionStorage.getItem("tusou.language");
show(id(`program-${last}`) ? last : "curl");

function fill(programs) {
  for (const [language, program] of Object.entries(programs)) {
    id(`program-${language}`).textContent = program.replace(PLACEHOLDER, () => secret);
  }
}

let waiting;
let newest = 0;
form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(rewrite, PAUSE_MILLISECONDS);
});

async function rewrite() {
  const number = ++newest;
  const held = {};
  for (const [name, value] of new FormData(form)) held[name] = value.name ?? value;
  try {
    const { programs } = await post(`${form.dataset.here}/samples`, held);
    if (number === newest) fill(programs);
  } catch {
    // The programs stay as they were; the next change of the form tries again.
  }
}

id("put-secret")?.addEventListener("click", async (event) => {
  const button = event.currentTarget;
  try {
    secret = (await post(button.dataset.from, {})).secret;
  } catch (problem) {
    tell(problem.message);
    return;
  }
  button.hidden = true;
  for (const program of document.querySelectorAll("[data-program] pre")) {
    program.textContent = program.textContent.replace(PLACEHOLDER, () => secret);
  }
});
