"use strict";

const byId = (id) => document.getElementById(id);

/** Make an element with properties and children; text is always set as text. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Follow a reference into the description's components. */
function resolved(schema, api) {
  return schema && schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema || {};
}

/** Show what a body may look like: one value per field that may be sent. */
function example(schema, api, depth = 0) {
  const plain = resolved(schema, api);
  if (plain.examples) return plain.examples[0];
  if (plain.enum) return plain.enum[Math.min(1, plain.enum.length - 1)];
  if (plain.type === "array") return depth > 2 ? [] : [example(plain.items, api, depth + 1)];
  if (plain.format === "date-time") return "2026-01-31T12:00:00.000Z";
  if (plain.type === "boolean") return false;
  if (plain.type === "integer" || plain.type === "number") return 0;
  if (plain.type === "string") return "";
  const sent = Object.entries(plain.properties || {}).filter(([, field]) => !field.readOnly);
  const required = plain.required || [];
  const shown = required.length ? sent.filter(([name]) => required.includes(name)) : sent;
  return depth > 2 ? {} : Object.fromEntries(shown.map(([name, field]) => [name, example(field, api, depth + 1)]));
}

function parameterInput(parameter, api) {
  const schema = resolved(parameter.schema, api);
  const choices = schema.enum;
  const hint = schema.examples ? schema.examples[0] : schema.format === "date-time" ? "2026-01-31T12:00:00Z" : schema.type;
  const input = choices
    ? make("select", {}, make("option", { value: "", textContent: "" }), ...choices.map((name) => make("option", { textContent: name })))
    : make("input", { type: "text", autocomplete: "off", placeholder: hint || "" });
  Object.assign(input, { name: parameter.name, required: parameter.required });
  input.dataset.where = parameter.in;
  const name = make("span", { textContent: parameter.name, className: parameter.required ? "required" : "" });
  return make("label", {}, name, input, make("small", { textContent: parameter.description || "" }));
}

/** Put a form's values where they belong: path, query, headers and body. */
function requestOf(form, path, verb) {
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll("[data-where]")) {
    if (!input.value) continue;
    if (input.dataset.where === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.dataset.where === "header") headers[input.name] = input.value;
    else for (const value of input.dataset.repeated ? input.value.split(",") : [input.value]) query.append(input.name, value);
  }
  if (byId("token").value) headers.authorization = `Bearer ${byId("token").value}`;
  const body = form.querySelector("textarea");
  if (body && body.value.trim()) headers["content-type"] = "application/json";
  const address = query.size ? `${path}?${query}` : path;
  return [address, { method: verb.toUpperCase(), headers, body: body && body.value.trim() ? body.value : undefined }];
}

async function send(event, form, path, verb, output) {
  event.preventDefault();
  output.hidden = false;
  output.textContent = "…";
  const began = performance.now();
  try {
    const answer = await fetch(...requestOf(form, path, verb));
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    const isJson = (answer.headers.get("content-type") || "").startsWith("application/json") && text;
    output.textContent = `${answer.status} ${answer.statusText}, ${took} ms\n\n${isJson ? JSON.stringify(JSON.parse(text), null, 2) : text}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function operationForm(path, verb, operation, api) {
  const output = make("pre", { hidden: true });
  output.setAttribute("aria-live", "polite");
  const form = make("form", { className: "try" });
  for (const parameter of operation.parameters || []) {
    const label = parameterInput(parameter, api);
    if (parameter.schema.type === "array") label.querySelector("[data-where]").dataset.repeated = "yes";
    form.append(label);
  }
  const body = operation.requestBody;
  if (body || ((operation.tags || []).includes("Better Auth") && verb === "post")) {
    const schema = body && body.content["application/json"].schema;
    const text = schema ? JSON.stringify(example(schema, api), null, 2) : "{}";
    form.append(make("h3", { textContent: "Body" }), make("textarea", { value: text, spellcheck: false, ariaLabel: "Body" }));
  }
  form.append(make("button", { type: "submit", textContent: "Send" }), output);
  form.addEventListener("submit", (event) => send(event, form, path, verb, output));
  return form;
}

function operationCard(path, verb, operation, api) {
  const summary = make(
    "summary", {},
    make("span", { className: `verb ${verb}`, textContent: verb.toUpperCase() }),
    make("span", { className: "path", textContent: path }),
    make("span", { className: "summary", textContent: operation.summary || "" }),
  );
  const card = make("details", { className: "operation" }, summary);
  card.dataset.words = `${verb} ${path} ${operation.summary} ${operation.description || ""}`.toLowerCase();
  card.addEventListener("toggle", () => {
    if (!card.open || card.children.length > 1) return;
    const description = make("p", { className: "hint", textContent: operation.description || "" });
    card.append(make("div", {}, description, operationForm(path, verb, operation, api)));
  });
  return card;
}

function show(api) {
  byId("about").textContent = `${api.info.description} Version ${api.info.version}, OpenAPI ${api.openapi}.`;
  const sections = new Map();
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const [verb, operation] of Object.entries(verbs)) {
      const tag = operation.tags[0];
      if (!sections.has(tag)) sections.set(tag, make("section", { id: tag.replace(/\W/g, "-") }, make("h2", { textContent: tag })));
      sections.get(tag).append(operationCard(path, verb, operation, api));
    }
  }
  byId("operations").append(...sections.values());
  byId("tags").append(...[...sections].map(([tag, section]) => make("a", { href: `#${section.id}`, textContent: tag })));
}

byId("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase().trim();
  for (const card of document.querySelectorAll(".operation")) card.hidden = !card.dataset.words.includes(wanted);
  for (const section of document.querySelectorAll("section")) section.hidden = !section.querySelector(".operation:not([hidden])");
});

fetch("/openapi.json").then((answer) => answer.json()).then(show, (error) => {
  byId("about").textContent = `The description cannot be read: ${error}`;
});
