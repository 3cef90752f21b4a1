/*
 * The program itself: the commander definitions, the frame in which each command runs, and exit codes. Nothing else is
 * loaded for help and version.
 */

import { CommanderError } from 'commander'
import { buildProgram } from './program.ts'
import { isClosedStream } from './ui/closed-stream.ts'

// commander writes help, versions and usage errors itself
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
  // commander has printed what is wrong
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
