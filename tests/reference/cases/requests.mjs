// Short forms for the requests of cases.

export const get = (path, options = {}) => ({ method: "GET", path, ...options });
export const head = (path) => ({ method: "HEAD", path });
export const put = (path, body, type) => ({
  method: "PUT",
  path,
  body,
  headers: type === undefined ? {} : { "Content-Type": type },
});

/** POST /nodes: an object is sent as JSON, a string or bytes unchanged. */
export const post = (body, options = {}) => ({
  method: "POST",
  path: "/nodes",
  body: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  headers: { "Content-Type": "application/json" },
  ...options,
});

/** The facts that a switch sends. */
export const facts = (serialnumber, others = {}) => ({
  model: "DCS-7050TX-64-F",
  serialnumber,
  systemmac: "00:1c:73:01:02:03",
  version: "4.28.0F",
  neighbors: {},
  ...others,
});

/** The facts as they are stored. */
export const stored = (serialnumber, others = {}) =>
  JSON.stringify(facts(serialnumber, { systemmac: "001c73010203", ...others }));

/** Neighbors in the form that a switch sends: `{Ethernet1: "spine1:Ethernet7, spine2:Ethernet8"}`. */
export const sees = (neighbors) =>
  Object.fromEntries(
    Object.entries(neighbors).map(([interface_, peers]) => [
      interface_,
      peers.split(", ").filter(Boolean).map((peer) => ({ device: peer.split(":")[0], port: peer.split(":")[1] })),
    ]),
  );
