namespace Vmm.Guest.Tests.Virtio;

/// <summary>A measurement, which takes long and asserts nothing: only when it is asked for.</summary>
internal sealed class FiguresFactAttribute : FactAttribute
{
    public FiguresFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("VMM_FIGURES") is null) Skip = "measures only when VMM_FIGURES is set";
    }
}
