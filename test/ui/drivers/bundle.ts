import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Bundles a driver of this folder and returns the path of what `node` can run. */
export async function bundleDriver(name: string): Promise<string> {
  const outdir = await mkdtemp(join(tmpdir(), 'colab-escape-ui-'))
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  })
  return join(outdir, `${name}.mjs`)
}
