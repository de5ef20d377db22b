// Shows the service's OpenAPI document in Swagger UI. Requests go to where this page comes from, with its prefix.

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const root = new URL(document.body.dataset.root, location.href);

fetch("./document.json")
  .then((answer) => answer.json())
  .then((spec) => {
    SwaggerUIBundle({
      dom_id: "#swagger-ui",
      spec: { ...spec, servers: [{ url: root.href.replace(/\/$/, "") }] },
      validatorUrl: null,
      deepLinking: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
    });
  })
  .catch(() => {
    document.querySelector("#swagger-ui").textContent = "The service did not answer; reload the page.";
  });
