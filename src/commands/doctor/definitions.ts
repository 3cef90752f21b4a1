import type { LazyCommand } from '../shared/lazy-command.ts'

export function doctor(root: LazyCommand): void {
  root
    .command('doctor')
    .description('look for problems of this machine, the login and the store, and say how to fix them')
    .addHelpText('after', '\nExamples:\n  colab-escape doctor\n  colab-escape doctor --store drive: --json')
    .runs(async () => (await import('./doctor.ts')).doctorCommand)
}
