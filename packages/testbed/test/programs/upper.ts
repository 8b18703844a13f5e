// Writes its input in capitals and ends with status 3.
let input = '';
for await (const chunk of process.stdin) input += chunk;
process.stdout.write(input.toUpperCase());
process.stderr.write('done');
process.exitCode = 3;
