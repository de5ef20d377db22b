// Shows the service's OpenAPI document in Swagger UI. Requests go to where the document says that it comes from, which
// is beside this page.

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

fetch("./document.json")
  .then((answer) => answer.json())
  .then((spec) => {
    SwaggerUIBundle({
      dom_id: "#swagger-ui",
      spec,
      validatorUrl: null,
      deepLinking: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
    });
  })
  .catch(() => {
    document.querySelector("#swagger-ui").textContent = "The service did not answer; reload the page.";
  });
