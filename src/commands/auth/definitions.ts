/*
 * The commands for the login to Google Drive. The login itself happens in `auth`.
 */

import { Option } from 'commander'
import type { LazyCommand } from '../shared/lazy-command.ts'

export function auth(root: LazyCommand): void {
  const group = root.command('auth').description('log in to Google Drive, show who is logged in, log out')
  group
    .command('login')
    .description('log in with your browser and save the login')
    .option(
      '--no-browser',
      'for a browser on another machine: print the address to open, then ask for the address of the page that it leads to',
    )
    .option(
      '--client-secret-file <file>',
      'JSON file of your OAuth client (default: GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, else the client of the last login)',
    )
    .addOption(
      new Option(
        '--scope <scope>',
        'drive: all files of your Drive, including what Colab pushed; drive.file: only files made by this OAuth client',
      )
        .choices(['drive', 'drive.file'])
        .default('drive'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  colab-escape auth login --client-secret-file client_secret.json\n  colab-escape auth login --no-browser',
    )
    .runs(async () => (await import('./login.ts')).authLoginCommand)
  group
    .command('status')
    .description('show who is logged in, with which credentials, and how much space is left')
    .addHelpText('after', '\nExample:\n  colab-escape auth status')
    .runs(async () => (await import('./status.ts')).authStatusCommand)
  group
    .command('logout')
    .description('revoke the saved login and remove it')
    .addHelpText('after', '\nExample:\n  colab-escape auth logout')
    .runs(async () => (await import('./logout.ts')).authLogoutCommand)
  group
    .command('setup')
    .description('make your own OAuth client, step by step, and log in with it')
    .option('--no-browser', 'for a browser on another machine: print the pages to open, and log in by pasting an address')
    .addHelpText(
      'after',
      `
In a terminal it asks at each step, takes the client from the file that you
download, logs in, and offers a first push. Run it again to go on where you
stopped. Without a terminal, or with --json or --quiet, it lists the steps.

Example:
  colab-escape auth setup`,
    )
    .runs(async () => (await import('./setup.ts')).authSetupCommand)
  group
    .command('export')
    .description('print the saved login as JSON, for COLAB_ESCAPE_CREDENTIALS on another machine (a secret)')
    .option('--yes', "don't ask before printing it")
    .addHelpText('after', '\nExample:\n  colab-escape auth export --yes > credentials.json')
    .runs(async () => (await import('./export.ts')).authExportCommand)
}
