"use strict";

// The page's policy lets style elements in by its nonce alone, and style attributes not at all. Scalar makes both: its
// elements get the nonce here, and its attributes are set as properties, which the policy leaves to scripts.
const { nonce } = document.currentScript;
const createElement = document.createElement.bind(document);
document.createElement = (name, options) => {
  const element = createElement(name, options);
  if (String(name).toLowerCase() === "style") element.nonce = nonce;
  return element;
};
const { setAttribute } = Element.prototype;
Element.prototype.setAttribute = function (name, value) {
  if (String(name).toLowerCase() === "style" && this.style) this.style.cssText = value;
  else setAttribute.call(this, name, value);
};
const innerHTML = Object.getOwnPropertyDescriptor(Element.prototype, "innerHTML");
Object.defineProperty(Element.prototype, "innerHTML", {
  ...innerHTML,
  set(html) {
    innerHTML.set.call(this, String(html).replaceAll(/ style=(?=["'])/g, " data-style="));
    for (const element of (this.content ?? this).querySelectorAll("[data-style]")) element.style.cssText = element.dataset.style;
  },
});

document.addEventListener("DOMContentLoaded", () => {
  Scalar.createApiReference("#reference", {
    url: "/openapi.json",
    // Requests go to the host that the page came from: the policy allows no other, and cookies are that host's.
    servers: [{ url: location.origin, description: "This host" }],
    authentication: { preferredSecurityScheme: ["session", "bearer"] },
    agent: { disabled: true },
    hideClientButton: true,
    hideModels: true,
    mcp: { disabled: true },
    showDeveloperTools: "never",
    telemetry: false,
    withDefaultFonts: false,
  });
});
