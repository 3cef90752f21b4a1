// A command that waits for a promise that nothing settles.
import { runCommand } from '../../../src/run-command.ts'

void runCommand({ quiet: true }, () => new Promise(() => undefined))
