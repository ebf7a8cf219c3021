/** Asks for the first `count` models this person can use. @param {import("keyferry").Vault} vault */
export async function showModels(vault, list, count = 3) {
  const response = await vault.fetch("https://api.openai.com/v1/models");
  if (!response.ok) {
    list.textContent = response.status === 423 ? "Unlock your vault first." : "Add a key first.";
    return;
  }
  const { data } = await response.json();
  list.replaceChildren(
    ...data.slice(0, count).map(({ id }) => Object.assign(document.createElement("li"), { textContent: id })),
  );
}
