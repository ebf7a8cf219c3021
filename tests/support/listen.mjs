// A server of a test's own, on a loopback port that was free.

/** Has it listen. Gives the port. @param {import("node:net").Server} server @returns {Promise<number>} */
export async function listen(server) {
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", () => resolve(null)));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no address");
  return address.port;
}

/** Ends it, and whatever connections it still has. @param {import("node:http").Server} server */
export async function close(server) {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
