// Runs a TypeScript file of this repository, which Node 20 cannot do by itself:
// `node scripts/run.mjs <file> [arguments]`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [node, , file] = process.argv
if (node === undefined || file === undefined) throw new Error('usage: node scripts/run.mjs <file> [arguments]')
const source = resolve(file)
// the file finds its own path and arguments, as if Node ran it
process.argv.splice(0, 3, node, source)

/**
 * Packages are loaded from where they are installed. One that a bundle only mentions is not loaded at all.
 * @type {import('esbuild').Plugin}
 */
const installedPackages = {
  name: 'installed packages',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^[^.]/ }, ({ kind, path }) =>
      kind === 'entry-point' ? undefined : { path: import.meta.resolve(path), external: true, sideEffects: false },
    ),
}

/**
 * In a bundle, `import.meta` is that of the source file.
 * @type {import('esbuild').Plugin}
 */
const sourceMeta = {
  name: 'import.meta of the source',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const meta = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) }
      return { contents: `const importMeta = ${JSON.stringify(meta)}; ${await readFile(path, 'utf8')}`, loader: 'ts' }
    }),
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'colab-escape-run-'))
// chunks are loaded when they are needed, also late
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
process.setSourceMapsEnabled(true)
await build({
  entryPoints: [source],
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  define: { 'import.meta': 'importMeta', __VERSION__: JSON.stringify(version) },
  plugins: [installedPackages, sourceMeta],
  sourcemap: 'inline',
  sourcesContent: false,
  logLevel: 'warning',
})
await import(pathToFileURL(join(folder, basename(source).replace(/\.ts$/, '.mjs'))).href)
