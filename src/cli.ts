/*
 * The entry point: the command definitions, the frame in which each command runs, and exit codes. Help and version load
 * nothing else.
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
  // commander has printed the error
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
