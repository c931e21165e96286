// Asking the server: JSON both ways, with the page's proof that it is one of ours.
import { say } from "./texts.js";

// What a browser still sends when its page is left has this many bytes at most (a letter has up to 3).
const LARGEST_KEPT = 60_000;
const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

export class Problem extends Error {
  constructor(facts, status) {
    super(facts.text ?? say("common.offline"));
    this.name = facts.problem ?? "OFFLINE";
    this.detail = facts.detail ?? "";
    this.facts = facts;
    this.status = status;
  }
}

export async function get(path, facts = {}, signal) {
  const query = new URLSearchParams(facts).toString();
  return ask(query ? `${path}?${query}` : path, { signal });
}

export async function post(path, facts, signal) {
  const form = facts instanceof FormData;
  if (form) return ask(path, { method: "POST", body: facts, signal });
  const body = JSON.stringify(facts), headers = { "content-type": "application/json" };
  return ask(path, { method: "POST", headers, body, signal, keepalive: body.length * 3 < LARGEST_KEPT });
}

async function ask(path, options) {
  const headers = { accept: "application/json", "x-csrf-token": csrf, ...options.headers };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({}, 0);
  }
  return read(response.status, await response.text());
}

// Sends a form and tells how much has gone; `fetch` cannot tell.
export function send(path, form, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("accept", "application/json");
    request.setRequestHeader("x-csrf-token", csrf);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    });
    request.addEventListener("error", () => reject(new Problem({}, 0)));
    request.addEventListener("load", () => {
      try {
        resolve(read(request.status, request.responseText));
      } catch (problem) {
        reject(problem);
      }
    });
    request.send(form);
  });
}

function read(status, text) {
  if (status === 401) {
    location.href = `/console/sign-in?next=${encodeURIComponent(location.pathname)}`;
  }
  let facts = {};
  try {
    facts = JSON.parse(text);
  } catch {
    // A proxy's own page: told as a server that cannot be reached.
  }
  if (status >= 400 || status === 0) throw new Problem(facts, status);
  return facts;
}
