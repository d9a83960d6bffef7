using Vmm.TestKit;

namespace Vmm.Guest.Tests.CommandLine;

/// <summary>A test with rows that needs the published executable; skipped with a reason where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ExecutableTheoryAttribute : TheoryAttribute
{
    public ExecutableTheoryAttribute() => Skip = File.Exists(Repository.Vmm) ? null : "out/vmm is missing: run examples/build.sh";
}
