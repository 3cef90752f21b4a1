import { mkdtempSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, transform } from 'esbuild'
import { COUNTERS, instrument } from './instrument.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** What strangers' bytes reach. */
const INSTRUMENTED = /^src\//
const MAX_BLOCKS = 65_536

/** The counters and literals of one source file. */
export interface InstrumentedFile {
  first: number
  blocks: number
  literals: (string | number)[]
}

export interface Bundle {
  file: string
  files: InstrumentedFile[]
  /** Of all files together. */
  blocks: number
}

/** Bundles the worker and all targets, and instruments the code that they test. The caller removes the folder. */
export async function bundleWorker(): Promise<Bundle & { folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'colab-escape-fuzz-'))
  const file = join(folder, 'worker.mjs')
  const files: InstrumentedFile[] = []
  let blocks = 0
  const load = async (path: string): Promise<string> => {
    const source = await readFile(path, 'utf8')
    const { code } = path.endsWith('.ts') ? await transform(source, { loader: 'ts', target: 'node20' }) : { code: source }
    const meta = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) }
    const head = source.includes('import.meta') ? `const importMeta = ${JSON.stringify(meta)};` : ''
    if (!INSTRUMENTED.test(relative(ROOT, path))) return head + code
    const isModule = path.endsWith('.ts') || path.endsWith('.mjs')
    const instrumented = instrument(code, blocks, isModule ? 'module' : 'commonjs')
    files.push({ first: blocks, blocks: instrumented.blocks, literals: instrumented.literals })
    blocks += instrumented.blocks
    return head + instrumented.code
  }
  await build({
    entryPoints: [join(ROOT, 'test/fuzz/engine/worker.ts')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outfile: file,
    define: { 'import.meta': 'importMeta', __VERSION__: '"0"', __dirname: '"/"', __filename: '"/"' },
    banner: {
      js:
        `import{createRequire}from'node:module';const require=createRequire(${JSON.stringify(pathToFileURL(ROOT).href)});` +
        `const ${COUNTERS}=globalThis.${COUNTERS}=new Uint32Array(${MAX_BLOCKS});`,
    },
    plugins: [
      {
        name: 'instrumented',
        setup: build => build.onLoad({ filter: /\.[cm]?[jt]s$/ }, async ({ path }) => ({ contents: await load(path), loader: 'js' })),
      },
    ],
    logLevel: 'error',
  })
  if (blocks > MAX_BLOCKS) throw new Error(`${blocks} blocks of code are more than ${MAX_BLOCKS} counters`)
  return { folder, file, files, blocks }
}
