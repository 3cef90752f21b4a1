import { spawn } from 'node:child_process'

// `start` of cmd.exe would treat the & of an address as a command separator
const OPENERS: Partial<Record<NodeJS.Platform, [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/**
 * Opens an address in the user's browser. Calls `onFailure` when that is not possible. The browser may outlive this
 * process.
 */
export function openBrowser(url: string, platform: NodeJS.Platform, onFailure: () => void): void {
  const [command, ...args] = OPENERS[platform] ?? ['xdg-open']
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true })
  child.once('error', onFailure)
  child.once('exit', code => {
    if (code !== 0) onFailure()
  })
  child.unref()
}
