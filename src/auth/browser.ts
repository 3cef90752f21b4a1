import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { findProgram } from '../util/find-program.ts'

export interface BrowserOptions {
  platform: NodeJS.Platform
  /** The environment of the program that opens the browser. */
  env: NodeJS.Dict<string>
  onFailure: () => void
}

/**
 * Opens an address in the user's browser. Calls `onFailure` when that is not possible. The browser may outlive this
 * process. Returns what removes the traces: call it when the address is no longer of use.
 *
 * Other users of this machine can see the arguments of a program. With the address they could finish the login with an
 * account of their own, so that pushes go there. So the arguments name a page that only this user can read, and that
 * leads to the address.
 */
export function openBrowser(url: string, { platform, env, onFailure }: BrowserOptions): () => void {
  const opener = openerOf(platform, env)
  const folder = opener && makePage(url)
  if (opener === undefined || folder === undefined) {
    onFailure()
    return () => undefined
  }
  const page = pathToFileURL(join(folder, PAGE)).href
  start(opener, page, env, onFailure)
  const remove = (): void => {
    process.off('exit', remove)
    rmSync(folder, { recursive: true, force: true })
  }
  process.on('exit', remove)
  return remove
}

/** Opens a page whose address everybody may see. Calls `onFailure` when that is not possible. */
export function openPage(url: string, { platform, env, onFailure }: BrowserOptions): void {
  const opener = openerOf(platform, env)
  if (opener === undefined) onFailure()
  else start(opener, url, env, onFailure)
}

/**
 * Whether a browser can be expected to open on the screen of the user. Without a screen, xdg-open may start a browser
 * in the terminal. `env` is the whole environment.
 */
export function hasBrowser(platform: NodeJS.Platform, env: NodeJS.Dict<string>): boolean {
  if (openerOf(platform, env) === undefined) return false
  const isSet = (name: string): boolean => (env[name] ?? '') !== ''
  if (platform === 'win32' || platform === 'darwin') return !isSet('SSH_CONNECTION')
  return ['DISPLAY', 'WAYLAND_DISPLAY', 'WSL_DISTRO_NAME', 'BROWSER'].some(isSet)
}

interface Opener {
  command: string
  args: string[]
}

function start({ command, args }: Opener, target: string, env: NodeJS.Dict<string>, onFailure: () => void): void {
  const child = spawn(command, [...args, target], { stdio: 'ignore', detached: true, env })
  child.once('error', onFailure)
  child.once('exit', code => {
    if (code !== 0) onFailure()
  })
  child.unref()
}

function openerOf(platform: NodeJS.Platform, env: NodeJS.Dict<string>): Opener | undefined {
  // `start` of cmd.exe would need a shell, and Windows looks for programs in the current folder first
  const windows = env.SystemRoot ?? 'C:\\Windows'
  if (platform === 'win32') return { command: `${windows}\\System32\\rundll32.exe`, args: ['url.dll,FileProtocolHandler'] }
  const command = findProgram(platform === 'darwin' ? 'open' : 'xdg-open', env.PATH)
  return command === undefined ? undefined : { command, args: [] }
}

const PAGE = 'login.html'

/** A new folder with the page. It is in the home folder: browsers in a sandbox see no other and no hidden folders. */
function makePage(url: string): string | undefined {
  for (const parent of [homedir(), tmpdir()]) {
    try {
      // it gets the mode 0700
      const folder = mkdtempSync(join(parent, 'colab-escape-login-'))
      writeFileSync(join(folder, PAGE), pageTo(url), { mode: 0o600, flag: 'wx' })
      return folder
    } catch {
      // the next one
    }
  }
  return undefined
}

function pageTo(url: string): string {
  const safe = url.replace(/[&"<>]/g, character => `&#${character.charCodeAt(0)};`)
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url=${safe}"><title>colab-escape</title><a href="${safe}">Log in to Google</a></html>\n`
}
