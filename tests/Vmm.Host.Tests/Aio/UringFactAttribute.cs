namespace Vmm.Host.Tests.Aio;

/// <summary>A test that needs io_uring; skipped with the host's reason where it has none.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class UringFactAttribute : FactAttribute
{
    public UringFactAttribute() => Skip = HostFacts.WhyNoIoUring();
}
