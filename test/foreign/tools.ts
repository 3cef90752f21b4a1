import { execFileSync } from 'node:child_process'

/** Runs a program in `folder`, and gives what it printed. Fails with what the program said. */
export function run(folder: string, program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
  })
}
