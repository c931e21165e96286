// The official Node client, unmodified except for where it sends. Prints one line of JSON with the
// names of its methods, then reads calls, one line of JSON each, and prints their answers likewise.

import { createInterface } from "node:readline";
import sdk from "baidu-aip-sdk";

const [address, appId, apiKey, secretKey, mode] = process.argv.slice(2);

// Before the client is made: its constructor asks for a token. Where it is refused one, as it is
// for this grant type, it signs its calls.
sdk.HttpClient.setRequestInterceptor((options) => {
  const url = options.url.replace("https://aip.baidubce.com", address);
  const refused = mode === "signature" && url.includes("/oauth/2.0/token");
  return { ...options, url, form: refused ? { grant_type: "password" } : options.form };
});
const client = new sdk.imageSearch(appId, apiKey, secretKey);

// Some methods take the brief in its own place, the others among the options.
const call = ({ method, subject, brief, options }) => {
  if (brief === null) return client[method](subject, options);
  if (client[method].length === 3) return client[method](subject, brief, options);
  return client[method](subject, { ...options, brief });
};

const print = (value) => console.log(JSON.stringify(value));

print(Object.getOwnPropertyNames(sdk.imageSearch.prototype));
for await (const line of createInterface({ input: process.stdin })) {
  print(await call(JSON.parse(line)).catch((error) => ({ thrown: String(error) })));
}
