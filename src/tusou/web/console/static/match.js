// What a query and a stored picture have in common: both side by side, regions and points.
import { draw, id } from "./dom.js";
import { count, say } from "./texts.js";
import { post } from "./server.js";

const GAP = 24;
const HEIGHT = 480;

export async function compare(facts, blob, item) {
  const dialog = id("match");
  const text = id("match-text");
  const view = id("match-view");
  text.textContent = say("match.working");
  view.replaceChildren();
  dialog.showModal();
  const form = new FormData();
  form.set("image", blob, "query.jpg");
  form.set("cont_sign", item.sign);
  let found;
  try {
    found = (await post(`${facts.path}/match`, form)).match;
  } catch (problem) {
    text.textContent = [problem.message, problem.detail].filter(Boolean).join(" · ");
    return;
  }
  if (!found) {
    text.textContent = say("match.none");
    return;
  }
  const percent = (share) => `${Math.round(share * 100)} %`;
  text.textContent = count("match.text", found.points, {
    query: percent(found.queryOverlap),
    stored: percent(found.storedOverlap),
    score: found.score.toFixed(3),
  });
  if (found.mirrored) text.textContent += ` ${say("match.mirrored")}`;
  const url = URL.createObjectURL(blob);
  const query = await sized(url);
  dialog.addEventListener("close", () => URL.revokeObjectURL(url), { once: true });
  view.replaceChildren(picture(found, { url, ...query }, {
    url: `${facts.path}/pictures/${item.key}/original`,
    width: item.width,
    height: item.height,
  }));
}

id("match-close")?.addEventListener("click", () => id("match").close());
id("lines")?.addEventListener("change", () => id("match-view").classList.toggle("plain", !id("lines").checked));

async function sized(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return { width: image.naturalWidth, height: image.naturalHeight };
}

function picture(found, query, stored) {
  // Both are drawn equally high, so that lines between them stay short.
  const left = HEIGHT / query.height;
  const right = HEIGHT / stored.height;
  const start = query.width * left + GAP;
  const width = start + stored.width * right;
  const inQuery = ([x, y]) => [x * left, y * left];
  const inStored = ([x, y]) => [start + x * right, y * right];
  const corners = (size) => [[0, 0], [size.width, 0], [size.width, size.height], [0, size.height]];
  const back = inverse(found.homography);
  const onQuery = corners(stored).map((corner) => through(back, corner));
  const onStored = corners(query).map((corner) => through(found.homography, corner));
  const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
  svg.append(draw("title", {}, id("match-text").textContent));
  const clips = draw("defs");
  svg.append(clips);
  const side = (name, size, scale, x, outline, place) => {
    const box = { x, y: 0, width: size.width * scale, height: HEIGHT };
    clips.append(draw("clipPath", { id: name }, draw("rect", box)));
    const points = outline.map(place).map((point) => point.join(",")).join(" ");
    svg.append(
      draw("image", { ...box, href: size.url, preserveAspectRatio: "none" }),
      draw("polygon", { points, class: "region", "clip-path": `url(#${name})` }),
    );
  };
  side("clip-query", query, left, 0, onQuery, inQuery);
  side("clip-stored", stored, right, start, onStored, inStored);
  const lines = draw("g", { class: "lines" });
  found.query.forEach((point, number) => {
    const [x1, y1] = inQuery(point);
    const [x2, y2] = inStored(found.stored[number]);
    const hue = Math.round((x1 / start) * 300);
    lines.append(
      draw("line", { x1, y1, x2, y2, stroke: `hsl(${hue} 90% 55%)` }),
      draw("circle", { cx: x1, cy: y1, r: 3, fill: `hsl(${hue} 90% 55%)` }),
      draw("circle", { cx: x2, cy: y2, r: 3, fill: `hsl(${hue} 90% 55%)` }),
    );
  });
  svg.append(lines);
  return svg;
}

function through(m, [x, y]) {
  const w = m[2][0] * x + m[2][1] * y + m[2][2];
  return [(m[0][0] * x + m[0][1] * y + m[0][2]) / w, (m[1][0] * x + m[1][1] * y + m[1][2]) / w];
}

// Up to a factor, which places do not depend on.
function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
}
