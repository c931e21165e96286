// The texts of the page's language, as the server put them into the page.
const element = document.getElementById("texts");
const texts = element ? JSON.parse(element.textContent) : {};

export function say(key, facts = {}) {
  const text = texts[`js.${key}`];
  if (text === undefined) throw new Error(`no text js.${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => facts[name]);
}

export function count(key, number, facts = {}) {
  const n = number.toLocaleString("en-US");
  return say(`${key}.${number === 1 ? "one" : "many"}`, { ...facts, n });
}
