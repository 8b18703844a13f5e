// Writes its input in upper case and exits with status 3.
let input = '';
for await (const chunk of process.stdin) input += chunk;
process.stdout.write(input.toUpperCase());
process.stderr.write('done');
process.exitCode = 3;
