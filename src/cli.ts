/*
 * The entry point: the command definitions, the frame in which each command runs, and exit codes. Help and version load
 * nothing else.
 */

import { CommanderError } from 'commander'
import { exitCodeOf } from './exit-codes.ts'
import { buildProgram } from './program.ts'
import { describeError, stackLines } from './ui/describe-error.ts'
import { lines } from './ui/output.ts'
import { lostOutput, Sink } from './ui/sink.ts'
import { AppError } from './util/errors.ts'
import { VERSION, VersionAsked } from './version.ts'

const stdout = new Sink(process.stdout)
const stderr = new Sink(process.stderr)
/** Why help or the version could not be written; undefined where it was. */
const printed: Promise<Error | null | undefined>[] = []

// Node would end with exit code 0 if something waits for what can't come any more
const onStuck = (): void => fail(new Error('The command waits for something that never comes.'))
process.once('beforeExit', onStuck)
process.on('uncaughtException', error => {
  fail(error)
  process.exit()
})

try {
  await run()
  const lost = (await Promise.all(printed)).find(error => error)
  if (lost) await show(lostOutput(lost))
} catch (error) {
  if (error instanceof AppError) await show(error)
  else fail(error)
}
process.off('beforeExit', onStuck)

async function run(): Promise<void> {
  try {
    await buildProgram(async (options, run) => {
      // help and version do not need the rest of the program
      const { runCommand } = await import('./run-command.ts')
      await runCommand(options, run)
    }, print).parseAsync()
  } catch (error) {
    if (error instanceof VersionAsked) {
      const { describeVersion } = await import('./print-version.ts')
      print(describeVersion(VERSION, { json: isGiven('--json') }))
    } else if (!(error instanceof CommanderError && error.exitCode === 0)) throw error // that one is help, which is shown
  }
}

function print(text: string): void {
  printed.push(new Promise(resolve => stdout.write(text, resolve)))
}

/** Shows an error in the arguments, or of the help. */
async function show(error: AppError): Promise<void> {
  process.exitCode = exitCodeOf(error.code)
  const { showError } = await import('./run-command.ts')
  showError(error, { json: isGiven('--json') })
}

/** Shows an error that nothing in the program expects, whatever has been loaded. */
function fail(thrown: unknown): void {
  const { code, message, hint } = describeError(thrown)
  process.exitCode = exitCodeOf(code)
  if (isGiven('--json')) stdout.write(`${JSON.stringify({ event: 'error', code, message, hint })}\n`)
  else stderr.write(lines.error(message, false) + lines.hint(hint, false))
  if (isGiven('--verbose') || isGiven('-v')) stderr.write(stackLines(thrown).map(lines.detail).join(''))
}

/** Whether an option is in the arguments, which may not have been parsed to their end. */
function isGiven(option: string): boolean {
  const given = process.argv.slice(2)
  const end = given.indexOf('--')
  return given.slice(0, end < 0 ? undefined : end).includes(option)
}
