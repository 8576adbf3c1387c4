// The content that each release of ZTPServer installs, validated and pushed as it is.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { build, contents, scratch, ztp } from "./run.mjs";

before(build);

/** Those that have content. The package of 1.3.0.1 is incomplete: pip cannot read it. */
const RELEASES = ["1.1.1", "1.2.0", "1.3.1", "1.3.2", "1.4.0", "1.4.1", "1.5.0", "1.6.0", "2.0.0", "2.0.1", "2.0.2", "2.1.0"];
/** The keys that are no stock files: the operator edits them. */
const OWN = ["bootstrap/bootstrap.conf", "neighbordb"];
/** Where `setup.py` of a release installs the folders and files of its package. */
const INSTALLED = { actions: "actions", plugins: "plugins", "client/bootstrap": "bootstrap/bootstrap", "client/lib": "files/lib", "conf/bootstrap.conf": "bootstrap/bootstrap.conf", "conf/neighbordb": "neighbordb" };

/** Whether a Python has pip. */
const hasPip = (python) => spawnSync(python, ["-m", "pip", "--version"]).status === 0;

/** A Python 2.7 with pip: that of Python 3 cannot read the packages before 2.0. */
function python2() {
  const pyenv = join(homedir(), ".pyenv", "versions");
  const versions = existsSync(pyenv) ? readdirSync(pyenv).filter((name) => name.startsWith("2.7")) : [];
  return ["python2.7", ...versions.map((name) => join(pyenv, name, "bin", "python"))].find(hasPip);
}

/** The data_root that a release installs. */
function installed(t, release, python) {
  const folder = scratch(t);
  const pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", folder, `ztpserver==${release}`];
  const done = spawnSync(python, pip, { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  const [file] = readdirSync(folder);
  const unpack = file.endsWith(".whl") ? ["python3", "-m", "zipfile", "-e", join(folder, file), folder] : ["tar", "-xzf", join(folder, file), "-C", folder];
  assert.equal(spawnSync(unpack[0], unpack.slice(1)).status, 0);
  if (file.endsWith(".whl")) return join(folder, "usr", "share", "ztpserver");
  const root = join(folder, "root");
  for (const [from, to] of Object.entries(INSTALLED)) {
    const source = join(folder, `ztpserver-${release}`, from);
    mkdirSync(join(root, to, ".."), { recursive: true });
    if (existsSync(source)) cpSync(source, join(root, to), { recursive: true });
  }
  return root;
}

for (const release of RELEASES) {
  const more = [RELEASES[0], RELEASES.at(-1)].includes(release) ? "" : " [more]";
  test(`the content of ${release} has no finding, and its stock files are recognised${more}`, async (t) => {
    const python = release.startsWith("1.") ? python2() : "python3";
    if (!python) return t.skip("no Python 2.7 here has pip");
    const root = installed(t, release, python);
    const keys = Object.keys(contents(root)).filter((key) => !key.startsWith("plugins/"));
    assert.ok(keys.length > 8, keys.join());
    const done = await ztp(["validate", root, "--json"]);
    assert.equal(done.status, 0, done.printed);
    const { files, findings, notes } = done.json;
    assert.deepEqual([files, findings], [OWN.length, []]);
    const stock = keys.filter((key) => !OWN.includes(key));
    const note = notes.find((note) => note.startsWith("these files of ZTPServer are unchanged"));
    for (const key of stock) assert.match(note, new RegExp(`    ${key}  of .*${release.replaceAll(".", "\\.")}`), key);
  });
}
