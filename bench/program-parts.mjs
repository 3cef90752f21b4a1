import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { bundleOptions } from '../scripts/build.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Modules of the program for a simulation, bundled as the program is: `partsOf({ openView: 'src/repository/view.ts' })`. */
export async function partsOf(names) {
  const folder = mkdtempSync(join(tmpdir(), 'colab-escape-parts-'))
  // parts of the program are loaded when they are needed, also late
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const contents = Object.entries(names)
    .map(([name, path]) => `export { ${name} } from './${path}'`)
    .join('\n')
  const stdin = { contents, resolveDir: ROOT, sourcefile: 'parts.ts', loader: 'ts' }
  await build({ ...bundleOptions, stdin, outdir: folder, outExtension: { '.js': '.mjs' }, write: true })
  return { ...(await import(pathToFileURL(join(folder, 'stdin.mjs')).href)), workerUrl: pathToFileURL(join(ROOT, 'dist', 'worker.js')) }
}
