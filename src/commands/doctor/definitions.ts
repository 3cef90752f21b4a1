import type { Command } from 'commander'
import type { Execute } from '../shared/execute.ts'

/** The command that looks for what could go wrong. */
export function registerDoctorCommand(root: Command, execute: Execute): void {
  root
    .command('doctor')
    .description('look for what could go wrong on this machine, and say what to do about it')
    .addHelpText('after', '\nExamples:\n  colab-escape doctor\n  colab-escape doctor --store drive: --json')
    .action(async (_: unknown, command: Command) => {
      const { doctorCommand } = await import('./doctor.ts')
      await execute(command.optsWithGlobals(), doctorCommand)
    })
}
