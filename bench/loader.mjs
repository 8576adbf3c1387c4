// A Worker of the bench's own, beside the measured one and on the same storage: PUT /kv/<key> and
// PUT /r2/<key> store the body.

export default {
  async fetch(request, env) {
    const [, store, ...segments] = new URL(request.url).pathname.split("/").map(decodeURIComponent);
    const key = segments.join("/");
    await (store === "r2" ? env.ZTP_FILES.put(key, request.body) : env.ZTP_DATA.put(key, await request.arrayBuffer()));
    return new Response(null, { status: 201 });
  },
};
