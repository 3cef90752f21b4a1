// Writes docs/commands.md, docs/errors.md and docs/json-output.md from the program and the schema of its JSON:
// `npm run docs`. With `-- --check` it writes nothing, and fails if they are not up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EXIT_CODES, exitCodeOf } from '../src/exit-codes.ts'
import { buildProgram } from '../src/program.ts'
import { describeError } from '../src/ui/describe-error.ts'
import { AppError } from '../src/util/errors.ts'
import { commandsPage } from './docs-commands.ts'
import { errorsPage } from './docs-errors.ts'
import { jsonPage, type Schema } from './docs-json.ts'
import { manPage } from './docs-man.ts'
import { readErrors } from './docs-messages.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const schema = JSON.parse(readFileSync(join(ROOT, 'docs/json-output.schema.json'), 'utf8')) as Schema
const errors = readErrors([join(ROOT, 'src/cli.ts'), join(ROOT, 'src/worker.ts')])
const program = buildProgram(() => Promise.resolve())
const pages = {
  'docs/commands.md': commandsPage(program, EXIT_CODES),
  'docs/colab-escape.1': manPage(program, EXIT_CODES),
  'docs/errors.md': errorsPage(errors, EXIT_CODES, exitCodeOf, code => describeError(new AppError(code, '')).hint ?? ''),
  'docs/json-output.md': jsonPage(schema),
}
for (const [path, text] of Object.entries(pages)) {
  if (!process.argv.includes('--check')) writeFileSync(join(ROOT, path), text)
  else if (readFileSync(join(ROOT, path), 'utf8') !== text) {
    console.error(`${path} is not up to date: run npm run docs`)
    process.exitCode = 1
  }
}
