using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using SharpFuzz;
using Vmm.Fuzz;
using Trace = SharpFuzz.Common.Trace;

const string Usage = """
    Vmm.Fuzz --list                          the targets
    Vmm.Fuzz TARGET                          under afl-fuzz or libfuzzer-dotnet (or one input from standard input)
    Vmm.Fuzz TARGET FILE...                  run these inputs
    Vmm.Fuzz TARGET --mutate SECONDS [SEED]  run the corpus and mutations of it
    """;

// Instrumented code counts from its first call on, and making the targets is one; the fuzzer puts its own map in this one's place.
const nuint MapBytes = 1 << 16;
unsafe
{
    // SAFETY: as large as the map of AFL, which the instrumentation indexes by 16 bits; never freed.
    Trace.SharedMem = (byte*)NativeMemory.AllocZeroed(MapBytes);
}

if (args is ["--list"])
{
    foreach (IFuzzTarget known in FuzzTargets.All) Console.WriteLine(known.Name);
    return 0;
}

if (args.Length == 0 || FuzzTargets.Find(args[0]) is not { } target)
{
    Console.Error.WriteLine(Usage);
    return 2;
}

switch (args)
{
    case [_] when Environment.GetEnvironmentVariable("__LIBFUZZER_SHM_ID") is not null:
        Fuzzer.LibFuzzer.Run(target.Run);
        return 0;
    case [_]:
        Fuzzer.OutOfProcess.Run((Stream stream) =>
        {
            using MemoryStream input = new();
            stream.CopyTo(input);
            target.Run(input.ToArray());
        });
        return 0;
    case [_, "--mutate", string seconds, .. string[] rest]:
        return Mutate(TimeSpan.FromSeconds(double.Parse(seconds, CultureInfo.InvariantCulture)),
            rest is [string seed] ? int.Parse(seed, CultureInfo.InvariantCulture) : Environment.TickCount);
    default:
        return Report(new FuzzRunner(target), args.Skip(1).Select(File.ReadAllBytes));
}

int Mutate(TimeSpan time, int seed)
{
    byte[][] seeds = [.. FuzzCorpus.Read(target).Select(s => s.Bytes)];
    FuzzMutator mutator = new(new Random(seed), seeds, target.MostBytes);
    Console.WriteLine($"{target.Name}: {seeds.Length} seeds, mutations by seed {seed}");
    return Report(new FuzzRunner(target), seeds.Concat(Mutations(mutator, time)));
}

int Report(FuzzRunner runner, IEnumerable<byte[]> inputs)
{
    FuzzFinding? finding = runner.Run(inputs);
    Console.WriteLine($"{target.Name}: {runner.Done} inputs");
    if (finding is null) return 0;
    Console.WriteLine($"{finding.Save(target)}: {finding.What}");
    return 1;
}

static IEnumerable<byte[]> Mutations(FuzzMutator mutator, TimeSpan time)
{
    for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time;) yield return mutator.Next();
}
