/*
 * The entry point: the command definitions, the frame in which each command runs, and exit codes. Help and version load
 * nothing else.
 */

import { CommanderError } from 'commander'
import { buildProgram } from './program.ts'
import { isClosedStream } from './ui/closed-stream.ts'
import { AppError } from './util/errors.ts'
import { VERSION, VersionAsked } from './version.ts'

// commander writes help and versions itself
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: Error) => {
    if (!isClosedStream(error, stream)) throw error
  })
}

try {
  await buildProgram(async (options, run) => {
    // help and version do not need the rest of the program
    const { runCommand } = await import('./run-command.ts')
    await runCommand(options, run)
  }).parseAsync()
} catch (error) {
  if (error instanceof VersionAsked) {
    const { printVersion } = await import('./print-version.ts')
    printVersion(VERSION, { json: isGiven('--json') })
  } else if (error instanceof AppError) {
    process.exitCode = 2
    const { showUsageError } = await import('./run-command.ts')
    showUsageError(error, { json: isGiven('--json') })
  } else if (!(error instanceof CommanderError && error.exitCode === 0)) throw error // that one is help, which is shown
}

/** Whether an option is in the arguments, which may not have been parsed to their end. */
function isGiven(option: string): boolean {
  const given = process.argv.slice(2)
  const end = given.indexOf('--')
  return given.slice(0, end < 0 ? undefined : end).includes(option)
}
