using Xunit;

namespace Vmm.TestKit;

/// <summary>A test with rows that needs the published executable; skipped with a reason where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ExecutableTheoryAttribute : TheoryAttribute
{
    public ExecutableTheoryAttribute() => Skip = File.Exists(Repository.Vmm) ? null : "out/vmm is missing: run examples/build.sh";
}
