namespace Vmm.Host.Tests.Aio;

/// <summary>A test with rows that needs io_uring; skipped with the host's reason where it has none.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class UringTheoryAttribute : TheoryAttribute
{
    public UringTheoryAttribute() => Skip = HostFacts.WhyNoIoUring();
}
