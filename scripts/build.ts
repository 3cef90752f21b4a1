import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type BuildOptions, type Metafile } from 'esbuild'
import { buildWasm } from './build-wasm.ts'
import { chunkGroups } from './chunk-groups.ts'
import { licensesOf } from './licenses.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DIST = join(ROOT, 'dist')
const ENTRY_POINTS = ['src/cli.ts', 'src/worker.ts']

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

/** How everything is bundled. The banner gives CommonJS dependencies the `require` that ES modules lack. */
export const bundleOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  splitting: true,
  outdir: DIST,
  chunkNames: 'chunk-[hash]',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'external',
  banner: { js: `import{createRequire as createRequireHere}from'node:module';const require=createRequireHere(import.meta.url);` },
  define: {
    __VERSION__: JSON.stringify(version),
    __dirname: 'import.meta.dirname',
    __filename: 'import.meta.filename',
  },
  metafile: true,
  write: false,
  logLevel: 'warning',
} satisfies BuildOptions

async function bundle(): Promise<void> {
  const { metafile, outputFiles } = await build({
    ...bundleOptions,
    plugins: [await chunkGroups(bundleOptions, ROOT)],
    entryPoints: ENTRY_POINTS.filter(entry => existsSync(join(ROOT, entry))),
  })
  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), Buffer.from(contents)]))
  files.set('THIRD-PARTY-LICENSES.txt', Buffer.from(licensesOf(packagesIn(metafile))))
  replaceFolder(DIST, files)
}

/** The folder of every package with code in the bundle. */
function packagesIn(metafile: Metafile): string[] {
  const folders = new Set<string>()
  for (const output of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)
      if (folder && bytesInOutput > 0) folders.add(folder[0])
    }
  }
  return [...folders].sort().map(folder => join(ROOT, folder))
}

/**
 * Leaves exactly `files` in `folder`. A file with the right contents is not touched, so that a program that runs from
 * there never sees half a file.
 */
function replaceFolder(folder: string, files: ReadonlyMap<string, Buffer>): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, contents] of files) {
    const path = join(folder, name)
    if (!existsSync(path) || !readFileSync(path).equals(contents)) writeFileSync(path, contents)
  }
  for (const name of readdirSync(folder)) if (!files.has(name)) rmSync(join(folder, name), { recursive: true, force: true })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildWasm()
  await bundle()
}
