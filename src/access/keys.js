// Reads the keys of a Cloudflare Access team, and verifies signatures with them.

/** The body of a response with status 200, of at most `limit` bytes. Throws with the reason if there is none. */
export async function fetchText(url, limit, timeout) {
  const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(timeout) });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > limit) throw new Error(`the response exceeds ${limit} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** Whether a key, as the text of a JSON Web Key, made the signature of a text by RS256. */
export async function verify(key, signature, signed) {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("jwk", JSON.parse(key), algorithm, false, ["verify"]);
  return crypto.subtle.verify(algorithm, imported, signature, new TextEncoder().encode(signed));
}
