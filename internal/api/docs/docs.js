"use strict";

// Shows openapi.json. Every text of the document is put in as text, never as markup.

let doc;

// element makes an element: class, then children, which are elements or texts.
function element(name, kind, ...children) {
  const e = document.createElement(name);
  if (kind) e.className = kind;
  for (const c of children) if (c !== null && c !== undefined && c !== "") e.append(c);
  return e;
}

// prose turns `code` and *words* of a description into elements, and blank lines into paragraphs.
function prose(text) {
  const out = document.createDocumentFragment();
  for (const part of (text || "").split(/\n\n+/)) {
    if (!part) continue;
    const p = element("p");
    for (const piece of part.split(/(`[^`]+`|\*[a-z]+\*)/)) {
      if (piece.length > 1 && piece[0] === "`") p.append(element("code", "", piece.slice(1, -1)));
      else if (/^\*[a-z]+\*$/.test(piece)) p.append(element("em", "", piece.slice(1, -1)));
      else p.append(piece);
    }
    out.append(p);
  }
  return out;
}

// solve follows references; what stands beside one wins.
function solve(o) {
  for (let n = 0; o && o.$ref && n < 10; n++) {
    let target = doc;
    for (const word of o.$ref.slice(2).split("/")) target = target && target[decodeURIComponent(word)];
    const { $ref, ...beside } = o;
    o = { ...target, ...beside };
  }
  return o || {};
}

const types = s => [].concat(s.type || []).filter(t => t !== "null");

// typeText names a type with its bounds.
function typeText(schema) {
  const s = solve(schema);
  if (s.oneOf || s.anyOf) return (s.oneOf || s.anyOf).map(typeText).join(" or ");
  let text = types(s).join(" or ") || (s.properties ? "object" : "any");
  if (text === "array" && s.items) text = "array of " + typeText(s.items);
  if (s.enum) text += ": " + s.enum.join(", ");
  if (s.minimum !== undefined && s.maximum !== undefined) text += `, ${s.minimum} to ${s.maximum}`;
  else if (s.minimum !== undefined) text += `, from ${s.minimum}`;
  else if (s.maximum !== undefined) text += `, to ${s.maximum}`;
  if (s.minItems !== undefined && s.maxItems !== undefined) text += `, ${s.minItems} to ${s.maxItems} items`;
  if (s.default !== undefined) text += `, default ${JSON.stringify(s.default)}`;
  if ([].concat(s.type || []).includes("null") || s.nullable) text += " or null";
  return text;
}

// inner is the object whose fields describe a schema: an array's items, the first alternative.
function inner(schema) {
  let s = solve(schema);
  for (let n = 0; n < 4 && !s.properties; n++) {
    if (s.items) s = solve(s.items);
    else if (s.oneOf || s.anyOf) s = solve((s.oneOf || s.anyOf)[0]);
    else break;
  }
  return s;
}

function row(name, schema, description, must, depth, old) {
  const label = element("td", depth ? "deep" + depth : "", element("code", old ? "old" : "", name));
  if (must) label.append(" ", element("span", "must", "required"));
  return element("tr", "", label, element("td", "type", typeText(schema)), element("td", "", prose(description)));
}

// fieldRows lists the fields of a schema, those of inner objects below them.
function fieldRows(schema, depth, seen) {
  const s = inner(schema), rows = [];
  if (!s.properties || depth > 3) return rows;
  for (const [name, property] of Object.entries(s.properties)) {
    const p = solve(property);
    rows.push(row(name, property, p.description, (s.required || []).includes(name), depth, p.deprecated));
    const below = inner(property);
    if (below.properties && !seen.includes(below.properties)) rows.push(...fieldRows(below, depth + 1, [...seen, below.properties]));
  }
  return rows;
}

const table = rows => element("table", "", element("tbody", "", ...rows));

// sample makes a value that fits a schema.
function sample(schema, depth = 0) {
  const s = solve(schema);
  if (s.examples && s.examples.length) return s.examples[0];
  if (s.example !== undefined) return s.example;
  if (s.default !== undefined) return s.default;
  if (s.enum) return s.enum[0];
  if (s.oneOf || s.anyOf) return sample((s.oneOf || s.anyOf)[0], depth);
  switch (types(s)[0] || (s.properties ? "object" : "")) {
    case "integer": case "number": return s.minimum || 0;
    case "boolean": return true;
    case "string": return "text";
    case "array": return depth > 4 ? [] : [sample(s.items || {}, depth + 1)];
    case "object": {
      const o = {};
      if (depth <= 4) for (const [name, p] of Object.entries(s.properties || {})) if (!solve(p).deprecated) o[name] = sample(p, depth + 1);
      return o;
    }
  }
  return null;
}

function block(text) {
  const button = element("button", "copy", "copy");
  button.type = "button";
  button.addEventListener("click", () => navigator.clipboard?.writeText(text).then(() => {
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  }));
  return element("div", "with-copy", element("pre", "", element("code", "", text)), button);
}

const quote = text => "'" + text.replaceAll("'", "'\\''") + "'";

// curl is a line that does the operation.
function curl(method, path, op, body) {
  const parameters = (op.parameters || []).map(solve);
  const url = path.replace(/\{(\w+)\}/g, (_, name) => {
    const p = parameters.find(p => p.in === "path" && p.name === name) || {};
    let value = p.example !== undefined ? p.example : sample(p.schema || {});
    if (name === "selector" && method !== "get") value = "1234567"; // nobody should paste what changes all
    return /%[0-9A-F]{2}/i.test(value) ? value : encodeURIComponent(value);
  });
  const must = parameters.filter(p => p.in === "query" && p.required).map(p => p.name + "=" + encodeURIComponent(sample(p.schema || {})));
  const parts = ["curl"];
  if (method !== "get") parts.push("-X", method.toUpperCase());
  parts.push(quote(location.origin + url + (must.length ? "?" + must.join("&") : "")));
  if (op.security || parameters.some(p => p.in === "header" && p.name === "Authorization")) parts.push("-H", '"Authorization: FlespiToken $ALCOVE_TOKEN"');
  if (body) parts.push("-d", quote(JSON.stringify(body)));
  return parts.join(" ");
}

function media(content) { return (content || {})["application/json"] || Object.values(content || {})[0]; }

function showResponse(code, response) {
  const r = solve(response), m = media(r.content), rows = m ? fieldRows(m.schema, 0, []) : [];
  const box = element("details", "", element("summary", "", element("code", "", code), " ", r.description || ""));
  box.open = false;
  if (rows.length && code < "300") box.append(table(rows));
  if (m) {
    const example = m.example !== undefined ? m.example : sample(m.schema);
    if (code < "300" && example && example.result) {
      delete example.errors; // as it is where all is well and on one page
      delete example.pagination;
    }
    box.append(block(typeof example === "string" ? example : JSON.stringify(example, null, 2)));
  }
  return box;
}

function showOperation(path, method, op) {
  const parameters = (op.parameters || []).map(solve);
  const body = element("div", "body", prose(op.description));
  if (parameters.length) {
    body.append(element("h4", "", "Parameters"), table(parameters.map(p => {
      const r = row(p.name, p.schema, p.description || solve(p.schema).description, p.required, 0, p.deprecated);
      r.children[1].prepend(p.in + ", ");
      return r;
    })));
  }
  const m = media((op.requestBody || {}).content);
  let example;
  if (m) {
    example = m.example !== undefined ? m.example : sample(m.schema);
    body.append(element("h4", "", "Body"), element("p", "soft", typeText(m.schema)), table(fieldRows(m.schema, 0, [])),
      block(JSON.stringify(example, null, 2)));
  }
  body.append(element("h4", "", "Answers"));
  for (const [code, r] of Object.entries(op.responses || {})) body.append(showResponse(code, r));
  body.append(element("h4", "", "Command line"), block(curl(method, path, op, example)));
  const head = element("h3", "", element("span", "method " + method, method.toUpperCase()), element("code", "", path),
    op.security ? "" : element("span", "badge", "no token"), op.deprecated ? element("span", "badge", "deprecated") : "",
    element("span", "summary", op.summary || ""));
  const article = element("article", "", head, body);
  article.id = op.operationId;
  return article;
}

const order = ["get", "post", "put", "patch", "delete"];

function show() {
  document.getElementById("version").textContent = doc.info.version;
  document.getElementById("intro").replaceChildren(prose(doc.info.description));
  const index = document.getElementById("index"), all = document.getElementById("operations");
  const found = [];
  for (const tag of doc.tags || []) {
    const group = element("div", "", element("h2", "", tag.name), element("div", "note", prose(tag.description)));
    const list = element("div", "", element("h2", "", tag.name));
    for (const [path, methods] of Object.entries(doc.paths)) {
      for (const method of order) {
        const op = methods[method];
        if (!op || !(op.tags || []).includes(tag.name)) continue;
        const article = showOperation(path, method, op);
        const link = element("a", "", element("span", "method " + method, method.toUpperCase()), element("span", "where", path));
        link.href = "#" + op.operationId;
        link.title = op.summary || "";
        group.append(article);
        list.append(link);
        found.push({ article, link, group, list, text: (article.textContent + " " + tag.name).toLowerCase() });
      }
    }
    all.append(group);
    index.append(list);
  }
  watch(found);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

// watch hides what does not have every word of the search.
function watch(found) {
  const search = document.getElementById("search");
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const full = new Set();
    for (const f of found) {
      const hit = words.every(w => f.text.includes(w));
      f.article.hidden = f.link.hidden = !hit;
      if (hit) full.add(f.group).add(f.list);
    }
    for (const f of found) {
      f.group.hidden = !full.has(f.group);
      f.list.hidden = !full.has(f.list);
    }
    document.getElementById("none").hidden = full.size > 0;
    document.getElementById("intro").hidden = words.length > 0;
  });
  document.addEventListener("keydown", e => {
    if (e.key === "/" && document.activeElement !== search) {
      e.preventDefault();
      search.focus();
    } else if (e.key === "Escape" && document.activeElement === search) {
      search.value = "";
      search.dispatchEvent(new Event("input"));
      search.blur();
    }
  });
}

fetch("openapi.json").then(r => r.json()).then(d => { doc = d; show(); }).catch(() => {
  document.getElementById("intro").replaceChildren(element("p", "", "The document could not be read. Reload the page to try again."));
});
