// Writes docs/commands.md, docs/errors.md and docs/json-output.md from the program and the schema of its JSON: `node scripts/make-docs.mjs`. With --check it writes nothing, and fails where they are not up to date.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { bundleOptions } from './build.mjs'
import { commandsPage } from './docs-commands.mjs'
import { errorsPage } from './docs-errors.mjs'
import { jsonPage } from './docs-json.mjs'
import { readErrors } from './docs-messages.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PROGRAM = `
  export { buildProgram } from './program.ts'
  export { EXIT_CODES, exitCodeOf } from './exit-codes.ts'
  export { describeError } from './ui/describe-error.ts'
  export { AppError } from './util/errors.ts'`

/** The program without what its commands do: that is loaded only when one runs. */
async function loadProgram() {
  const folder = mkdtempSync(join(tmpdir(), 'colab-escape-docs-'))
  try {
    const stdin = { contents: PROGRAM, resolveDir: join(ROOT, 'src'), sourcefile: 'docs.ts', loader: 'ts' }
    const onlyWhenRun = {
      name: 'only-when-run',
      setup: ({ onResolve }) =>
        onResolve({ filter: /./ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : undefined)),
    }
    await build({ ...bundleOptions, stdin, outdir: folder, outExtension: { '.js': '.mjs' }, plugins: [onlyWhenRun], write: true })
    return await import(pathToFileURL(join(folder, 'stdin.mjs')).href)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { buildProgram, EXIT_CODES, exitCodeOf, describeError, AppError } = await loadProgram()
const errors = readErrors([join(ROOT, 'src/cli.ts'), join(ROOT, 'src/worker.ts')])
const pages = {
  'docs/commands.md': commandsPage(
    buildProgram(() => undefined),
    EXIT_CODES,
  ),
  'docs/errors.md': errorsPage(errors, EXIT_CODES, exitCodeOf, code => describeError(new AppError(code, '')).hint),
  'docs/json-output.md': jsonPage(JSON.parse(readFileSync(join(ROOT, 'docs/json-output.schema.json'), 'utf8'))),
}
for (const [path, text] of Object.entries(pages)) {
  if (!process.argv.includes('--check')) writeFileSync(join(ROOT, path), text)
  else if (readFileSync(join(ROOT, path), 'utf8') !== text) {
    console.error(`${path} is not up to date: run npm run docs`)
    process.exitCode = 1
  }
}
